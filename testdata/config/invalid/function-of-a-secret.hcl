destination "d" {
  url = "https://example.com/${tonumber(env("SECRET"))}" # ERROR: the function cannot use this value, which is secret and not shown
  secrets = [env("SECRET")]
}
