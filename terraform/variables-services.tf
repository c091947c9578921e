# The variables of the ECS services, which are created only if an image is given. Some of them are also
# those of functions: variables-functions.tf has the others.

variable "image" {
  description = "The container image of booking, with a tag or a digest; all four services use it. If it is not given, no services are created, and nothing that only they need."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image needs a tag or a digest, for example …/booking:1.4.0."
  }

  validation {
    condition     = var.image == null || !can(regex(":latest$", var.image))
    error_message = "image must not be :latest: ECS cannot roll back to a tag that moves, and tasks started on different days would differ."
  }

  validation {
    # The disk of a task is lost with the task, and the replicas of a role do not share a disk.
    condition     = var.image == null || var.store == "dynamodb"
    error_message = "services on ECS need store = \"dynamodb\": a SQLite file would be lost with its task, and so would the record of which cards were charged."
  }

  validation {
    condition     = var.image == null || var.endpoint_url == null
    error_message = "services run on AWS only, but endpoint_url is set: with an emulator, run booking yourself."
  }
}

variable "vpc_id" {
  description = "The VPC of the services. Required with image."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "services need vpc_id, for example vpc-0a1b2c3d4e5f67890."
  }
}

variable "subnet_ids" {
  description = "Subnets of that VPC, preferably private ones in several zones. They need a way to AWS: a NAT gateway, or endpoints for SQS, SNS (with events = \"eventbridge\": EventBridge; with integration = \"step-functions\": Step Functions), DynamoDB, CloudWatch Logs and the image registry. Required with image."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = var.image == null || length(var.subnet_ids) > 0
    error_message = "services need subnet_ids: at least one subnet, and for production one in each of two or three zones."
  }

  validation {
    condition     = alltrue([for it in var.subnet_ids : can(regex("^subnet-[0-9a-f]+$", it))])
    error_message = "each of subnet_ids must be the id of a subnet, for example subnet-0a1b2c3d4e5f67890."
  }
}

variable "assign_public_ip" {
  description = "Whether each task has a public address, which it needs to reach AWS from a public subnet without a NAT gateway. The security groups let nobody connect but status_ingress."
  type        = bool
  default     = false
  nullable    = false
}

variable "cluster_arn" {
  description = "The ARN of an ECS cluster to run in. Container Insights must be on: it reports the number of running tasks, without which nothing scales. If it is not given, a cluster with Container Insights is created."
  type        = string
  default     = null

  validation {
    condition     = var.cluster_arn == null || can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9_-]+$", var.cluster_arn))
    error_message = "cluster_arn must be the ARN of an ECS cluster (arn:aws:ecs:…:cluster/…)."
  }
}

variable "cpu_architecture" {
  description = "The architecture that the image, or the binary in lambda_zip, was built for: ARM64, which costs a fifth less, or X86_64."
  type        = string
  default     = "ARM64"
  nullable    = false

  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture must be ARM64 or X86_64; it is ${var.cpu_architecture}."
  }
}

variable "tasks" {
  description = <<-EOT
    The number and the size of the tasks, by role. The defaults are in brackets.
    min, max: the number of tasks (2, 10). With two, one may fail.
    backlog: if more messages than this wait for each running task, tasks are added (100). Choose as
    many as one task can process within the delay that you accept.
    cpu, memory: the size of a task, in units of 1/1024 vCPU and in MiB (256, 512).
    Example: { seats = { max = 20 }, payment = { cpu = 512, memory = 1024 } }
  EOT
  type = map(object({
    min     = optional(number, 2)
    max     = optional(number, 10)
    backlog = optional(number, 100)
    cpu     = optional(number, 256)
    memory  = optional(number, 512)
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for role in keys(var.tasks) : contains(local.roles, role)])
    error_message = "tasks may name only these roles: ${join(", ", local.roles)}."
  }

  validation {
    # A service without tasks would never scale out: without a running task there is no backlog per
    # task.
    condition     = alltrue([for it in values(var.tasks) : it.min >= 1 && floor(it.min) == it.min && floor(it.max) == it.max])
    error_message = "min and max of tasks must be whole numbers, min at least 1: a service without tasks has no backlog per task to scale on."
  }

  validation {
    condition     = alltrue([for it in values(var.tasks) : it.min <= it.max])
    error_message = "min must not exceed max in tasks: ${join(", ", [for role, it in var.tasks : "${role} has min ${it.min} and max ${it.max}" if it.min > it.max])}."
  }

  validation {
    condition     = alltrue([for it in values(var.tasks) : it.backlog > 0])
    error_message = "backlog of tasks must be more than 0."
  }

  validation {
    condition     = alltrue([for it in values(var.tasks) : contains(lookup(local.fargate_sizes, it.cpu, []), it.memory)])
    error_message = "Fargate has no such size: ${join(", ", [for role, it in var.tasks : "${role} with cpu ${it.cpu} and memory ${it.memory}" if !contains(lookup(local.fargate_sizes, it.cpu, []), it.memory)])}."
  }
}

variable "flights" {
  description = "The schedule of seats and receipt, with fares and days on sale (docs/OPERATIONS.md describes its fields): a path in the image (on Lambda below /var/task, where the zip is), or sample for the built-in schedule, which sells every day. Required with image or compute = \"lambda\"."
  type        = string
  default     = null

  validation {
    condition     = !local.serving || try(length(var.flights) > 0, false)
    error_message = "services need flights: the path of the schedule, in the image or beside the function, or sample."
  }
}

variable "canary_key_arn" {
  description = "The ARN of the canary key, 32 bytes or more: a SecureString of the Parameter Store or a secret of Secrets Manager, encrypted with the key that AWS manages for it. The containers get the key as BOOKING_CANARY_KEY, and operators may read it for booking check --canary. If it is not given, the services drop every canary."
  type        = string
  default     = null

  validation {
    condition     = var.canary_key_arn == null || can(regex("^arn:[a-z-]+:(ssm:[a-z0-9-]+:[0-9]{12}:parameter/.+|secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+)$", var.canary_key_arn))
    error_message = "canary_key_arn must be the ARN of a parameter (arn:aws:ssm:…:parameter/…) or of a secret (arn:aws:secretsmanager:…:secret:…), never the key itself."
  }

  validation {
    condition     = var.canary_key_arn == null || var.integration != "step-functions"
    error_message = "canary_key_arn is given, but integration is step-functions: canaries go by topics, of which there are none then."
  }
}

variable "watch_queues" {
  description = "Whether status looks at how many messages are on the queues of the four services, as booking status --watch-queues, and says it to everybody who may ask status. Its policy then has the right to look at exactly these queues, and not to receive from them."
  type        = bool
  default     = false
  nullable    = false
}

variable "environment" {
  description = "Further settings, by role: { status = { BOOKING_STUCK_AFTER = \"5m\" } }. They are visible in the task definition or the function, so they must not be secrets."
  type        = map(map(string))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for role in keys(var.environment) : contains(local.roles, role)])
    error_message = "environment may name only these roles: ${join(", ", local.roles)}."
  }

  validation {
    # Lambda receives and deletes, and the setting would be without effect.
    condition     = var.compute != "lambda" || alltrue([for it in values(var.environment) : !contains(keys(it), "BOOKING_LATENCY_TARGET")])
    error_message = "environment sets BOOKING_LATENCY_TARGET, but compute is lambda: set lambda_latency_target_s instead."
  }

  validation {
    # Most of these have a variable of their own, and queues, volumes and probes rely on all of
    # them.
    condition     = length(setintersection(local.own_settings, flatten([for it in values(var.environment) : keys(it)]))) == 0
    error_message = "environment must not set what the module decides: ${join(", ", setintersection(local.own_settings, flatten([for it in values(var.environment) : keys(it)])))}."
  }
}

variable "status_ingress" {
  description = "The networks that may ask status on port 8080: CIDR blocks (10.0.0.0/16) and ids of security groups (sg-…), such as that of a load balancer. Only these can connect. Unless secrets.status_token is given, all of them can see every booking."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for it in var.status_ingress : can(regex("^sg-[0-9a-f]+$", it)) || can(cidrnetmask(it))])
    error_message = "each of status_ingress must be an IPv4 CIDR block, for example 10.0.0.0/16, or the id of a security group."
  }

  validation {
    condition     = alltrue([for it in var.status_ingress : !endswith(it, "/0")])
    error_message = "status_ingress must not be the whole internet: status speaks plain HTTP. Put a load balancer with TLS and a log-in in front, and name its security group."
  }
}

variable "target_group_arn" {
  description = "The ARN of a target group (type ip, port 8080, health check /health) that the tasks of status join. Name the security group of its load balancer in status_ingress. If it is not given, the tasks join none."
  type        = string
  default     = null

  validation {
    condition     = var.target_group_arn == null || can(regex("^arn:[a-z-]+:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/.+$", var.target_group_arn))
    error_message = "target_group_arn must be the ARN of a target group (arn:aws:elasticloadbalancing:…:targetgroup/…)."
  }
}

variable "log_retention_days" {
  description = "The number of days for which the logs of the services, and that of the state machine, are kept. They have ids and outcomes, and no passenger data."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number that CloudWatch allows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, …; it is ${var.log_retention_days}."
  }
}
