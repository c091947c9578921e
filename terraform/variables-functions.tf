# The variables of the Lambda functions, which are created only with compute = "lambda". Those that have a
# default in brackets are null unless they are given, so that one that would have no effect is refused.

variable "compute" {
  description = <<-EOT
    What the services run on. containers: ECS on Fargate, if an image is given. lambda: a function for each
    role, which Lambda calls with the messages of its queue; there is no cluster, no task and no security
    group. Queues, topics and tables are the same.
  EOT
  type        = string
  default     = "containers"
  nullable    = false

  validation {
    condition     = contains(["containers", "lambda"], var.compute)
    error_message = "compute must be containers or lambda; it is ${var.compute}."
  }

  validation {
    # After a failure in a batch, all later messages of the group would have to be given back as well.
    condition     = var.compute != "lambda" || !var.fifo
    error_message = "compute is lambda, but fifo is true: the functions take messages from standard queues only. Leave out one of them."
  }

  validation {
    condition     = var.compute != "lambda" || var.integration != "step-functions"
    error_message = "compute is lambda, but integration is step-functions: the functions hear events, and do no tasks of a state machine. Leave out one of them."
  }

  validation {
    condition     = var.compute != "lambda" || var.store == "dynamodb"
    error_message = "compute is lambda, but store is ${var.store}: functions need store = \"dynamodb\", since their disk is lost with each instance."
  }

  validation {
    condition     = var.compute != "lambda" || var.endpoint_url == null
    error_message = "compute is lambda, but endpoint_url is set: functions run on AWS only. With an emulator, run booking yourself."
  }

  validation {
    # Some of these shut others out, so ignoring them in silence would open what was thought shut.
    condition     = var.compute != "lambda" || length(local.container_choices) == 0
    error_message = "compute is lambda, but given: ${join(", ", local.container_choices)}. Only compute = \"containers\" uses that."
  }
}

variable "lambda_zip" {
  description = "The path of the zip with the functions, from the folder that Terraform runs in; all four use it. Its root holds the executable script bootstrap and the binary booking, built for cpu_architecture. Required with compute = \"lambda\"."
  type        = string
  default     = null

  validation {
    condition     = var.compute != "lambda" || var.lambda_zip != null
    error_message = "compute is lambda, but lambda_zip is not given: the path of the zip that holds bootstrap and booking."
  }

  validation {
    condition     = var.lambda_zip == null || try(fileexists(var.lambda_zip), false)
    error_message = "lambda_zip is ${coalesce(var.lambda_zip, "not given")}, but there is no such file in the folder that Terraform runs in."
  }

  validation {
    condition     = var.compute == "lambda" || var.lambda_zip == null
    error_message = "lambda_zip is given, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

variable "lambda_memory_mib" {
  description = "The memory of each function in MiB, from 128 to 10240 (256). With it comes processor time: a whole vCPU at 1769."
  type        = number
  default     = null

  validation {
    condition = alltrue([
      for it in [coalesce(var.lambda_memory_mib, 256)] : it >= 128 && it <= 10240 && floor(it) == it
    ])
    error_message = "lambda_memory_mib must be a whole number from 128 to 10240; it is ${coalesce(var.lambda_memory_mib, 256)}."
  }

  validation {
    condition     = var.compute == "lambda" || var.lambda_memory_mib == null
    error_message = "lambda_memory_mib is given, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

variable "lambda_timeout_s" {
  description = "How many seconds a function may work on one batch before Lambda ends it, from 13 to 99 (30). The visibility timeout of the queues of the roles is six times as long, and lambda_latency_target_s longer, or visibility_timeout_s if that is longer."
  type        = number
  default     = null

  validation {
    # Six times that is below the 10 minutes beyond which the services extend no lease.
    condition = alltrue([
      for it in [coalesce(var.lambda_timeout_s, 30)] : it >= 13 && it <= 99 && floor(it) == it
    ])
    error_message = "lambda_timeout_s must be a whole number from 13 to 99, since a call to the outside may take 10 s with 2 s to spare, and a message may be hidden for less than 600 s, six times as long; it is ${coalesce(var.lambda_timeout_s, 30)}."
  }

  validation {
    condition     = var.compute == "lambda" || var.lambda_timeout_s == null
    error_message = "lambda_timeout_s is given, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

variable "lambda_latency_target_s" {
  description = "How many seconds a message may wait so that it shares a call of its function with others, from 0 to 300 (0). Lambda waits whole seconds, so a fraction is rounded down."
  type        = number
  default     = null

  validation {
    condition     = coalesce(var.lambda_latency_target_s, 0) >= 0 && coalesce(var.lambda_latency_target_s, 0) <= 300
    error_message = "lambda_latency_target_s must be from 0 to 300; it is ${coalesce(var.lambda_latency_target_s, 0)}."
  }

  validation {
    condition     = var.compute == "lambda" || var.lambda_latency_target_s == null
    error_message = "lambda_latency_target_s is given, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

variable "lambda_concurrency_max" {
  description = "How many instances of each function work on its queue at once at most, from 2 to 1000 (10). Four times as many, and those that answer questions about bookings, must fit into what the account may run at once: otherwise Lambda refuses calls, and each refusal counts as a receive of the messages."
  type        = number
  default     = null

  validation {
    condition = alltrue([
      for it in [coalesce(var.lambda_concurrency_max, 10)] : it >= 2 && it <= 1000 && floor(it) == it
    ])
    error_message = "lambda_concurrency_max must be a whole number from 2 to 1000; it is ${coalesce(var.lambda_concurrency_max, 10)}."
  }

  validation {
    condition     = var.compute == "lambda" || var.lambda_concurrency_max == null
    error_message = "lambda_concurrency_max is given, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

variable "lambda_url_auth" {
  description = "Who may ask status at the URL of its function (AWS_IAM). AWS_IAM: whoever signs the request and has the policy policy_arns.status_url. NONE: everybody on the internet who has the token, so secrets.status_token must be given; README.md has the one permission that this release of the provider cannot give."
  type        = string
  default     = null

  validation {
    condition     = contains(["AWS_IAM", "NONE"], coalesce(var.lambda_url_auth, "AWS_IAM"))
    error_message = "lambda_url_auth must be AWS_IAM or NONE; it is ${coalesce(var.lambda_url_auth, "AWS_IAM")}."
  }

  validation {
    condition     = coalesce(var.lambda_url_auth, "AWS_IAM") != "NONE" || var.secrets.status_token != null
    error_message = "lambda_url_auth is NONE, but secrets.status_token is not given: the whole internet could see every booking."
  }

  validation {
    # Both are in the header Authorization.
    condition     = var.compute != "lambda" || coalesce(var.lambda_url_auth, "AWS_IAM") != "AWS_IAM" || var.secrets.status_token == null
    error_message = "secrets.status_token is given, but lambda_url_auth is AWS_IAM: a request has room for its signature or for the token, and nobody could show both. Leave out the token, or set lambda_url_auth = \"NONE\"."
  }

  validation {
    condition     = var.compute == "lambda" || var.lambda_url_auth == null
    error_message = "lambda_url_auth is given, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

variable "lambda_secrets_in_state" {
  description = <<-EOT
    Whether Terraform may read what secrets and canary_key_arn name, and give it to the functions as
    environment variables. Lambda does not read secrets for a function, as ECS does for a container. The
    secrets are then readable in the state of Terraform and in every saved plan, and for whoever has
    lambda:GetFunctionConfiguration. Keep the state encrypted and shut. In Lambda they are encrypted with
    kms_key_arn or, without it, with a key that AWS manages. Required with compute = "lambda" if there are
    secrets.
  EOT
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = var.compute != "lambda" || var.lambda_secrets_in_state || length(local.secret_choices) == 0
    error_message = "compute is lambda, and given: ${join(", ", local.secret_choices)}. But lambda_secrets_in_state is not true: Lambda does not read secrets as ECS does, so they would be in the state of Terraform. Set it if that is acceptable, or choose what needs no secret, such as mailer = \"ses\"."
  }

  validation {
    condition     = var.compute == "lambda" || !var.lambda_secrets_in_state
    error_message = "lambda_secrets_in_state is true, but compute is ${var.compute}: only compute = \"lambda\" uses it."
  }
}

locals {
  # The variables that are given and that only containers have a use for, and those that name a secret.
  container_choices = [
    for name, given in {
      image            = var.image != null
      vpc_id           = var.vpc_id != null
      subnet_ids       = length(var.subnet_ids) > 0
      assign_public_ip = var.assign_public_ip
      cluster_arn      = var.cluster_arn != null
      tasks            = length(var.tasks) > 0
      status_ingress   = length(var.status_ingress) > 0
      target_group_arn = var.target_group_arn != null
    } : name if given
  ]

  secret_choices = concat(
    [
      for name in ["stripe_key", "smtp_password", "status_token"] : "secrets.${name}" if var.secrets[name] != null
    ],
    var.canary_key_arn == null ? [] : ["canary_key_arn"],
  )
}
