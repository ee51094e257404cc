"""Wire responses from domain objects, one module per resource.

The document that a user wrote is put into the answer as it is stored, and what we computed stands beside it. An item is
never parsed for that, and inline rows are spliced in from their blob. What the hosted API does not have stands under
one `evalhaven` key. An imported object is shown as its first server answered it.
"""
