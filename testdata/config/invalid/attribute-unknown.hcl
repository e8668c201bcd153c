destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  colour = "red" # ERROR: is not expected here. Destination "d" takes allow, concurrency,
}
