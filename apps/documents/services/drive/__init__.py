"""
Keeping documents in step with Google Drive: what people may do about it, and what workers do by themselves.

Rooms: `bindings` (which documents stand where), `roots`, `conflicts` — for people; `queue`, `working` (who does what),
`sights` → `syncing` (look, decide, act), `pushing` → `shipping`, `keeping`, `taking_in`, `changes`, `reconciling`,
`channels`, `stopping`, `proving` — for workers.
"""
