"""From a source's cells to contacts as Constant Contact's bulk import takes them.

`fields` knows what the import accepts, `mapping` which columns go where, `recipes` makes one field
of columns, `validation` turns rows into contacts and reasons (with `address`, `values`, `dates`,
`phones` and `regions` for the kinds of values), `suppression` holds who is never sent, `canonical`
writes each contact's one JSON form, `merging` makes one contact of several, and `remote` compares a
contact over there with that form. No HTTP and no SQL in here; everything works column by column.
"""
