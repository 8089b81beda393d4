"""The rules for requests, asked by admission, the controller and the command line alike."""
