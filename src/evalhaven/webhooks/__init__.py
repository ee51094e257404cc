"""Webhooks: addresses that are told over HTTP that a run has ended.

`endpoints` is what can be asked of them, `addresses` where they may be. `deliverer` takes what is due from the outbox
and hands it to `sender`, which makes one attempt; `schedule` says when the next one is. `facts` reads what there is to
say, `envelopes` and `chats` say it, and `signing` proves who said it.
"""
