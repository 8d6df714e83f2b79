"""What passes between core and plugins, and what is stored: frozen, built by keyword, readable by newer versions.

Fields are only ever added, with defaults. Nothing here holds a secret's value.

`files` and `programs` say what is run, `jobs` for which task, `connections` where, and `plans` what would be sent;
`handles` and `observations` are what backends answer, `findings` what preflight found, `invocations` what the store
keeps of a run. Plugins import all of them from `evalyard`.
"""
