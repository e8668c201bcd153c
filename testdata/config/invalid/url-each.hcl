destination "d" {
  url = "https://example.com/${each.key}" # ERROR: each.key and each.value are there only in a job with for_each
  secrets = [env("SECRET")]
}
