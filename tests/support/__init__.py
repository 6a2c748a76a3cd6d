"""What tests share that is not about one app: services, processes, browser, time."""
