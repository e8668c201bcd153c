destination "d" {
  url     = "https://example.com/hooks"
  secrets = [env("SECRET")]
  format  = "cloudevent" # ERROR: Did you mean "cloudevents"?
}
