bridge {
  store = "sqlite::memory:" # ERROR: The path of a file follows "sqlite:"
}
