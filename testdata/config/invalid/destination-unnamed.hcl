destination { # ERROR: A destination block has one name
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
