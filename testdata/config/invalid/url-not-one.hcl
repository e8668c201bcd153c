destination "d" {
  url = "https://exa mple.com" # ERROR: This is not a URL
  secrets = [env("SECRET")]
}
