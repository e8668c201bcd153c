destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  order = "keys" # ERROR: Did you mean "key"?
}
