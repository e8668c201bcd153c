destination "d" {
  url = "https://example.com/hooks"
  secrets = [
    env("SECRET"),
    "whsec_dG9vIHNob3J0", # ERROR: A secret holds 24 to 64 bytes, this one 9
  ]
}
