terraform {
  # 1.9: a validation may compare one variable with another.
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # 5.100.0 is the last release of 5.x, so this is one version and not a range.
      version = "~> 5.100"
    }
  }
}
