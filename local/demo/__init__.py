"""The example's ten days in a minute and a half, told over HTTP and counted from the mailbox and the databases."""
