destination "d" {
  url = "" # ERROR: "url" must not be empty
  secrets = [env("SECRET")]
}
