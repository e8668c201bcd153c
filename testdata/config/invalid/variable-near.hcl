variable "hooks" {
  default = "https://example.com"
}
destination "d" {
  url = var.hoks # ERROR: Did you mean "hooks"?
  secrets = [env("SECRET")]
}
