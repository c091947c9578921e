# One task definition for each role, all with the same image.

locals {
  # The roles that run on ECS: all of them or, without an image, none.
  running = var.image == null ? toset([]) : local.roles

  # Whether the roles run here at all, on ECS or on Lambda, and which.
  serving = var.image != null || var.compute == "lambda"
  served  = local.serving ? local.roles : toset([])

  # For a role that var.tasks does not name. These must equal the defaults in its type; a test
  # compares them.
  task_defaults = { min = 2, max = 10, backlog = 100, cpu = 256, memory = 512 }

  tasks = { for role in local.roles : role => lookup(var.tasks, role, local.task_defaults) }

  # cpu => the sizes of memory that Fargate allows with it
  fargate_sizes = {
    256  = [512, 1024, 2048]
    512  = range(1024, 4097, 1024)
    1024 = range(2048, 8193, 1024)
    2048 = range(4096, 16385, 1024)
    4096 = range(8192, 30721, 1024)
  }

  # A user without rights: in the image, it owns only the data folder.
  uid = "65532:65532"

  # The only folder that can be written to. The image declares it as a volume that this user owns;
  # otherwise Fargate would mount it for root only. It is deleted with the task.
  data = "/data"

  # How long messages in flight may take to finish after SIGTERM, and after how long ECS kills the
  # task.
  drain_s        = 25
  stop_timeout_s = 40

  port = 8080

  # The settings that the module decides, and that var.environment must not set, whether they are set
  # now or not.
  own_settings = setunion(
    [
      "BOOKING_CANARY_KEY", "BOOKING_CANARY_KEY_FILE", "BOOKING_EVENTS", "BOOKING_FIFO",
      "BOOKING_HTTP_OPEN", "BOOKING_INTEGRATION", "BOOKING_MAIL_CONTACT", "BOOKING_MAIL_FROM",
      "BOOKING_PREFIX", "BOOKING_SEAL_KEY", "BOOKING_SEAL_KEY_FILE", "BOOKING_SMTP_PASSWORD",
      "BOOKING_SMTP_PASSWORD_FILE", "BOOKING_SMTP_SERVER", "BOOKING_SMTP_TLS", "BOOKING_SMTP_USER",
      "BOOKING_STATUS_TOKEN", "BOOKING_STATUS_TOKEN_FILE", "BOOKING_STRIPE_KEY",
      "BOOKING_STRIPE_KEY_FILE", "BOOKING_WATCH_QUEUES",
    ],
    flatten([for it in values(local.environment) : keys(it)]),
  )

  # A login without a user is none, and a server without its own port cannot be let out.
  mail = var.mailer != "smtp" || var.smtp == null ? {} : {
    for name, value in {
      BOOKING_SMTP_SERVER = var.smtp.server
      BOOKING_SMTP_TLS    = var.smtp.tls
      BOOKING_SMTP_USER   = var.smtp.user
    } : name => value if value != null
  }

  # role => its settings. Written out in full, since a new default in the image must not take effect
  # before the queues and the stop time-out agree with it.
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
        BOOKING_VISIBILITY = "${local.visibility_s}s"
      },
      var.prefix == "" ? {} : { BOOKING_PREFIX = var.prefix },
      local.orchestrated ? { BOOKING_INTEGRATION = var.integration } : {},
      local.carrier == "eventbridge" ? { BOOKING_EVENTS = var.events } : {},
      var.fifo ? { BOOKING_FIFO = "true" } : {},
      # Receipt tells passengers from where, to where and when they fly.
      contains(["seats", "receipt"], role) ? { BOOKING_FLIGHTS = var.flights } : {},
      # Without a token, the security group alone decides who may ask status, or IAM at the URL of a function.
      role == local.answering && var.secrets.status_token == null ? { BOOKING_HTTP_OPEN = "yes" } : {},
      role == "payment" ? { BOOKING_GATEWAY = var.gateway } : {},
      role == local.answering && var.watch_queues ? { BOOKING_WATCH_QUEUES = "true" } : {},
      role == "receipt" ? merge({ BOOKING_MAILER = var.mailer }, local.mail) : {},
      role == "receipt" && var.mail_from != null ? { BOOKING_MAIL_FROM = var.mail_from } : {},
      role == "receipt" && var.mail_contact != null ? { BOOKING_MAIL_CONTACT = var.mail_contact } : {},
    )
  }

  # role => its secrets: the variable of the container => the ARN that ECS reads it from. How a function gets
  # them is in functions.tf.
  secrets = {
    for role in local.roles : role => {
      for name, arn in {
        BOOKING_CANARY_KEY    = var.canary_key_arn
        BOOKING_SEAL_KEY      = var.secrets.seal_key
        BOOKING_STRIPE_KEY    = role == "payment" ? var.secrets.stripe_key : null
        BOOKING_SMTP_PASSWORD = role == "receipt" ? var.secrets.smtp_password : null
        BOOKING_STATUS_TOKEN  = role == local.answering ? var.secrets.status_token : null
      } : name => arn if arn != null
    }
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
        # The binary is PID 1. It handles SIGTERM itself, and starts no other process.
        initProcessEnabled = false
        capabilities       = { drop = ["ALL"] }
      }
      mountPoints = [{ sourceVolume = "data", containerPath = local.data, readOnly = false }]

      # A map is sorted by name, so that two applies do not differ in the order alone.
      environment = [
        for name, value in merge(local.environment[role], lookup(var.environment, role, {})) : { name = name, value = value }
      ]

      # ECS reads the secrets before the container starts, so they are not in the task definition.
      secrets = [for name, arn in local.secrets[role] : { name = name, valueFrom = arn }]

      portMappings = role != local.answering ? [] : [{ name = "http", containerPort = local.port, hostPort = local.port, protocol = "tcp" }]

      # The image has no shell, so the binary asks the service, at the address of BOOKING_HTTP. It
      # waits 4 s.
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
          # A slow log service must not delay a booking. Lines that do not fit into the buffer are
          # lost.
          mode            = "non-blocking"
          max-buffer-size = "4m"
        }
      }
    }
  }

  log_groups = { for role, name in local.service_names : role => "${var.compute == "lambda" ? "/aws/lambda" : "/ecs"}/${name}" }
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

  # Keeps the revision before, to which a failed deployment goes back.
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
  #checkov:skip=CKV_AWS_338:Logs are for finding faults and are no records: what happened to a booking is in the tables, for good. To keep them for a year, set log_retention_days.
  for_each = local.served

  name              = local.log_groups[each.key]
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
