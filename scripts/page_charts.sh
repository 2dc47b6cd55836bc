#!/usr/bin/env bash
# Makes sim/report/page/assets/charts.min.js anew: what draws the figures of `report`, as one file without a network.
# Needs node and npm; nothing else of the project does. The versions are pinned here; LICENSES.txt is written beside it.
set -euo pipefail
target=$(cd "$(dirname "${BASH_SOURCE[0]}")/../sim/report/page/assets" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{"name": "charts", "private": true, "type": "module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts=false \
    esbuild@0.28.2 vega@6.4.0 vega-lite@6.4.3 vega-interpreter@2.3.2 vega-tooltip@1.1.0
cat >entry.js <<'END'
export {View, parse} from "vega";
export {compile} from "vega-lite";
export {expressionInterpreter} from "vega-interpreter";
export {Handler} from "vega-tooltip";
END
npx esbuild entry.js --bundle --minify --format=iife --global-name=charts --legal-comments=none --target=es2020 \
    --metafile=made.json --outfile="$target/charts.min.js"
node - "$target/LICENSES.txt" <<'END'
const fs = require("fs"), made = JSON.parse(fs.readFileSync("made.json"));
const names = [...new Set(Object.keys(made.inputs).map((path) => path.match(/^node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1]).filter(Boolean))].sort();
const texts = new Map();
for (const name of names) {
  const about = JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`));
  const file = fs.readdirSync(`node_modules/${name}`).find((each) => /^licen[cs]e/i.test(each));
  const text = file ? fs.readFileSync(`node_modules/${name}/${file}`, "utf8").trim() : `(${about.license}; the package has no text of it)`;
  texts.set(text, [...(texts.get(text) || []), `${name} ${about.version} (${about.license})`]);
}
const parts = [...texts].map(([text, whose]) => whose.join("\n") + "\n\n" + text);
const lines = ["charts.min.js is made of these packages of the npm registry, by scripts/page_charts.sh.", ...parts].join("\n\n" + "-".repeat(80) + "\n\n");
fs.writeFileSync(process.argv[2], lines.split(/\r?\n/).map((line) => line.trimEnd()).join("\n") + "\n");
END
