destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  retry = { schedule = ["0s"] } # ERROR: "retry" is a block here: write retry { … } without the equals sign
}
