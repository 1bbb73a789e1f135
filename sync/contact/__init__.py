"""From a source's cells to contacts as Constant Contact's bulk import takes them.

`fields` knows what the import accepts, `mapping` which column goes where, `validation` turns rows
into contacts and reasons, `canonical` writes each contact's one JSON form, and `remote` compares a
contact over there with that form. No HTTP and no SQL in here; everything works column by column.
"""
