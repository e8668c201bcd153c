bridge {
  store = "sqlite:a?b.db" # ERROR: must not have any of the characters ?, # and %
}
