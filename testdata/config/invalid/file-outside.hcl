destination "d" {
  url = file("../../../go.mod") # ERROR: The path "../../../go.mod" leads out of the configuration's folder
  secrets = [env("SECRET")]
}
