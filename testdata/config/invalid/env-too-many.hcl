destination "d" {
  url = env("A", "B", "C") # ERROR: A name and, at most, a default
  secrets = [env("SECRET")]
}
