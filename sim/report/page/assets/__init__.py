"""The page's template, style and scripts; `charts.min.js` (by scripts/page_charts.sh) has its licences beside it."""
