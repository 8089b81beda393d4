"""The rules for requests: `request` for admission, the controller and the command line, `rights` for the controller."""
