"""The machinery by which messages leave: rates, queues, and the loop of `manage.py deliver`."""
