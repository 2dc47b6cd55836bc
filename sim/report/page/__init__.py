"""One HTML page of a finished result, whole in itself: answer, doubts, table, figures, a replay, sources.

document (what a page has) <- palette, charts <- figures, replay, sources <- run <- html (the text of the page)
"""
