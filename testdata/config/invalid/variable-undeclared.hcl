destination "d" {
  url = var.hooks # ERROR: There is no variable "hooks". None is declared.
  secrets = [env("SECRET")]
}
