destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
bridge {
  alerts = [destination.e] # ERROR: There is no destination "e". There is d.
}
