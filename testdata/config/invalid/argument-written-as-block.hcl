destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  headers { # ERROR: "headers" is an argument here: write headers = … with an equals sign
    Accept = "a"
  }
}
