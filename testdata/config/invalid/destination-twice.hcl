destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
destination "d" { # ERROR: There is a destination "d" already, at destination-twice.hcl:1
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
}
