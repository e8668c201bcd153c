destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  rety {} # ERROR: A block of type "rety" is not expected here. Did you mean "retry"?
}
