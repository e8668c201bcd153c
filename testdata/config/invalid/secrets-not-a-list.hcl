destination "d" {
  url = "https://example.com/hooks"
  secrets = env("SECRET") # ERROR: "secrets" is a list, written [ … ]
}
