destination "our own" { # ERROR: A name is made of letters, digits, "_" and "-"
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
