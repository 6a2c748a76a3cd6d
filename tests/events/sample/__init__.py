"""An app as others will be: it tells a fact and hears it, in real processes."""
