"""Documents that say the same in the same words: one story from forty sites counts once.

`sketch` says what is kept of a text and when two are copies, `groups` which of them belong together, `store` keeps both
in the tables as documents come, change and go.
"""
