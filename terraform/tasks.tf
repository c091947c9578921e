# What runs: one task definition a role, all from one image.

locals {
  # The roles that run here: all, or none without an image.
  running = var.image == null ? toset([]) : local.roles

  # For a role that var.tasks does not name; the same as in its type, and a test holds them together.
  task_defaults = { min = 2, max = 10, backlog = 100, cpu = 256, memory = 512 }

  tasks = { for role in local.roles : role => lookup(var.tasks, role, local.task_defaults) }

  # cpu => the memory Fargate has with it
  fargate_sizes = {
    256  = [512, 1024, 2048]
    512  = range(1024, 4097, 1024)
    1024 = range(2048, 8193, 1024)
    2048 = range(4096, 16385, 1024)
    4096 = range(8192, 30721, 1024)
  }

  # The image's user that is nobody: nothing in the image is owned by it except the data folder.
  uid = "65532:65532"

  # The one place that can be written to. The image declares it as a volume owned by that user: only
  # so does Fargate mount it writable for somebody who is not root. It dies with the task.
  data = "/data"

  # Work in hand may take so long after SIGTERM, and ECS kills what is left some time later.
  drain_s        = 25
  stop_timeout_s = 40

  port = 8080

  # What the module decides and var.environment must not.
  own_settings = setunion(["BOOKING_PREFIX", "BOOKING_CANARY_KEY", "BOOKING_CANARY_KEY_FILE"], flatten([for it in values(local.environment) : keys(it)]))

  # role => its settings. Said in full: a default that changes in the image must not take effect
  # here before the queues and the grace period agree with it.
  environment = {
    for role in local.roles : role => merge(
      {
        AWS_REGION         = local.region
        BOOKING_DATA       = local.data
        BOOKING_DRAIN      = "${local.drain_s}s"
        BOOKING_HTTP       = role == local.answering ? "0.0.0.0:${local.port}" : "127.0.0.1:${local.port}"
        BOOKING_LOG_FORMAT = "json"
        BOOKING_LONG_POLL  = "${var.receive_wait_s}s"
        BOOKING_STORE      = var.store
        BOOKING_VISIBILITY = "${var.visibility_timeout_s}s"
      },
      var.prefix == "" ? {} : { BOOKING_PREFIX = var.prefix },
      role == "seats" ? { BOOKING_FLIGHTS = var.flights } : {},
      role == "payment" ? { BOOKING_GATEWAY = var.gateway } : {},
      role == "receipt" ? { BOOKING_MAILER = var.mailer } : {},
    )
  }

  containers = {
    for role in local.running : role => {
      name      = role
      image     = var.image
      command   = [role]
      essential = true

      user                   = local.uid
      readonlyRootFilesystem = true
      linuxParameters = {
        # The binary is PID 1 and heeds SIGTERM itself; it starts no other process.
        initProcessEnabled = false
        capabilities       = { drop = ["ALL"] }
      }
      mountPoints = [{ sourceVolume = "data", containerPath = local.data, readOnly = false }]

      # By name, so that two applies do not differ in the order only.
      environment = [
        for name, value in merge(local.environment[role], lookup(var.environment, role, {})) : { name = name, value = value }
      ]

      # ECS reads it before the container starts: it stands in no task definition.
      secrets = var.canary_key_arn == null ? [] : [{ name = "BOOKING_CANARY_KEY", valueFrom = var.canary_key_arn }]

      portMappings = role != local.answering ? [] : [{ name = "http", containerPort = local.port, hostPort = local.port, protocol = "tcp" }]

      # No shell in the image: the binary asks itself, where BOOKING_HTTP says. It waits 4 s for the answer.
      healthCheck = {
        command     = ["CMD", "/booking", "healthcheck"]
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 30
      }
      stopTimeout = local.stop_timeout_s

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = local.log_groups[role]
          awslogs-region        = local.region
          awslogs-stream-prefix = role
          # A log service that is slow must not hold a booking up. What does not fit is lost.
          mode            = "non-blocking"
          max-buffer-size = "4m"
        }
      }
    }
  }

  log_groups = { for role in local.running : role => "/ecs/${var.prefix}booking-${role}" }
}

resource "aws_ecs_task_definition" "role" {
  for_each = local.running

  family                   = "${var.prefix}booking-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = local.tasks[each.key].cpu
  memory                   = local.tasks[each.key].memory
  task_role_arn            = local.task_role_arns[each.key]
  execution_role_arn       = local.execution_role_arn
  container_definitions    = jsonencode([local.containers[each.key]])

  # The revision before stays in force: a deployment that fails goes back to it.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }

  volume {
    name = "data"
  }

  depends_on = [aws_iam_role.task, aws_iam_role.execution]
}

resource "aws_cloudwatch_log_group" "role" {
  #checkov:skip=CKV_AWS_338:Logs are for finding faults, not records: what happened to a booking is in the tables, for good. A year is a setting away (log_retention_days).
  for_each = local.running

  name              = local.log_groups[each.key]
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
