bridge {
  store = "bridge.db" # ERROR: A store is written "sqlite:" and the path of its file
}
