bridge {
  store = "postgres://localhost/bridge" # ERROR: Not supported by this version yet
}
