"""The adapter to AIConfigurator: nothing else imports it.

Everything here but `preload` runs inside a worker process: AIC loads data by the hundred megabytes, logs freely and
may call ``sys.exit``.
"""
