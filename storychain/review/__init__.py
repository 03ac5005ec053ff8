"""Looking at what was made: the review page over HTTP, and the report that opens from disk.

What lives here: gathering stories and ledger into plain views (`gathering`, `view`), pages of them (`pages`,
`templates/`, `static/`), who may see them (`guard`), media by key (`serving`), news (`live`), charts (`charts`), the
server (`server`) and the report (`still`). What may not: SQL, ffmpeg, measuring, decisions about money.
"""
