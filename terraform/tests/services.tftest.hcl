# The ECS services: nothing of them without an image, and with one, tasks that are shut in.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  account_id = "123456789012"
  region     = "eu-central-1"
  store      = "dynamodb"
  image      = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/booking:1.4.0"
  vpc_id     = "vpc-0a1b2c3d"
  subnet_ids = ["subnet-0a1b2c3d", "subnet-4e5f6071"]
  flights    = "sample"
  gateway    = "simulated"
  mailer     = "folder"
}

run "topics" {
  module {
    source = "./tests/topics"
  }
}

run "off_without_an_image" {
  command = plan

  variables {
    image      = null
    vpc_id     = null
    subnet_ids = []
    flights    = null
    gateway    = null
    mailer     = null
    # Said too early, these create nothing.
    status_ingress = ["10.0.0.0/16"]
  }

  assert {
    condition = sum([
      length(aws_ecs_cluster.own), length(aws_ecs_service.role), length(aws_ecs_task_definition.role),
      length(aws_iam_role.task), length(aws_iam_role.execution), length(aws_iam_role_policy.execution),
      length(aws_iam_role_policy_attachment.task), length(aws_cloudwatch_log_group.role),
      length(aws_security_group.role), length(aws_vpc_security_group_egress_rule.https),
      length(aws_vpc_security_group_ingress_rule.status), length(aws_appautoscaling_target.role),
      length(aws_appautoscaling_policy.backlog), length(aws_cloudwatch_metric_alarm.tasks),
    ]) == 0
    error_message = "Something that only services need is created without an image."
  }

  assert {
    condition     = output.services == {} && output.cluster_arn == null
    error_message = "The outputs tell of services that are not there."
  }
}

run "a_service_a_role" {
  command = plan

  assert {
    condition = (
      toset(values(aws_ecs_service.role)[*].name) == toset(formatlist("booking-%s", run.topics.roles)) &&
      toset(values(aws_ecs_task_definition.role)[*].family) == toset(formatlist("booking-%s", run.topics.roles))
    )
    error_message = "There is not exactly one service and one task definition booking-<role> for each role."
  }

  assert {
    condition = alltrue([
      for it in aws_ecs_service.role :
      it.launch_type == "FARGATE" && it.desired_count == 2 && it.cluster == "arn:aws:ecs:eu-central-1:123456789012:cluster/booking" &&
      it.deployment_minimum_healthy_percent == 100 && it.deployment_maximum_percent == 200 &&
      it.deployment_circuit_breaker[0].enable && it.deployment_circuit_breaker[0].rollback
    ])
    error_message = "A service does not start with two tasks, or a bad version of it does not go back by itself while the old one works."
  }

  assert {
    condition = alltrue([
      for it in aws_ecs_service.role : toset(it.network_configuration[0].subnets) == toset(var.subnet_ids) &&
      it.network_configuration[0].assign_public_ip == false && length(it.load_balancer) == 0 && it.enable_execute_command == false
    ])
    error_message = "A service is in other subnets, has a public address, a load balancer or a way to log in."
  }

  assert {
    condition     = alltrue([for it in aws_ecs_cluster.own[0].setting : it.name == "containerInsights" && it.value == "enabled"])
    error_message = "The cluster has no Container Insights: nothing would scale."
  }

  assert {
    condition = alltrue([
      for role, it in aws_ecs_task_definition.role :
      it.requires_compatibilities == toset(["FARGATE"]) && it.network_mode == "awsvpc" && it.cpu == "256" && it.memory == "512" &&
      it.runtime_platform[0].cpu_architecture == "ARM64" && it.runtime_platform[0].operating_system_family == "LINUX" &&
      it.task_role_arn == "arn:aws:iam::123456789012:role/booking-${role}-task" &&
      it.execution_role_arn == "arn:aws:iam::123456789012:role/booking-execution" && it.skip_destroy
    ])
    error_message = "A task definition has the wrong size, platform or roles, or would be gone when it has to be gone back to."
  }

  # Nothing on the host, nothing shared with another task.
  assert {
    condition = alltrue([
      for it in aws_ecs_task_definition.role : [for volume in it.volume : volume.name] == ["data"] &&
      alltrue([for volume in it.volume : length(volume.efs_volume_configuration) == 0 && try(length(volume.host_path), 0) == 0])
    ])
    error_message = "A task has other volumes than its own data."
  }

  assert {
    condition = { for role, it in aws_cloudwatch_log_group.role : role => "${it.name} ${it.retention_in_days}" } == {
      for role in run.topics.roles : role => "/ecs/booking-${role} 30"
    }
    error_message = "The log groups are not one a role that is kept for 30 days."
  }
}

run "the_key_of_canaries" {
  command = plan

  variables {
    canary_key_arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/booking/canary-key"
  }

  assert {
    condition = alltrue([
      for it in aws_ecs_task_definition.role :
      jsondecode(it.container_definitions)[0].secrets == [{ name = "BOOKING_CANARY_KEY", valueFrom = var.canary_key_arn }] &&
      !contains([for setting in jsondecode(it.container_definitions)[0].environment : setting.name], "BOOKING_CANARY_KEY")
    ])
    error_message = "A container does not get the key of canaries as a secret, or has it as a setting."
  }

  assert {
    condition = alltrue([
      for policy in [aws_iam_role_policy.execution[0].policy, aws_iam_policy.operator.policy] : [
        for it in jsondecode(policy).Statement : "${join(" ", it.Action)} ${join(" ", it.Resource)}" if it.Sid == "ReadCanaryKey"
      ] == ["ssm:GetParameters ${var.canary_key_arn}"]
    ])
    error_message = "The execution role or the operator may read something else than the key of canaries."
  }

  assert {
    condition     = alltrue([for it in aws_iam_policy.publisher : !strcontains(it.policy, "ssm:")])
    error_message = "A task or a client may read the key of canaries by itself."
  }
}

run "containers" {
  command = plan

  # Whole, so that a field too many fails as surely as one too few.
  assert {
    condition = {
      for role, it in aws_ecs_task_definition.role : role => {
        for name, value in jsondecode(it.container_definitions)[0] : name => jsonencode(value) if name != "environment"
      }
      } == {
      for role in run.topics.roles : role => { for name, value in {
        name                   = role
        image                  = var.image
        command                = [role]
        essential              = true
        user                   = "65532:65532"
        readonlyRootFilesystem = true
        linuxParameters        = { initProcessEnabled = false, capabilities = { drop = ["ALL"] } }
        mountPoints            = [{ sourceVolume = "data", containerPath = "/data", readOnly = false }]
        secrets                = []
        portMappings           = role == "status" ? [{ name = "http", containerPort = 8080, hostPort = 8080, protocol = "tcp" }] : []
        healthCheck            = { command = ["CMD", "/booking", "healthcheck"], interval = 30, timeout = 5, retries = 3, startPeriod = 30 }
        stopTimeout            = 40
        logConfiguration = {
          logDriver = "awslogs"
          options = {
            awslogs-group         = "/ecs/booking-${role}"
            awslogs-region        = "eu-central-1"
            awslogs-stream-prefix = role
            mode                  = "non-blocking"
            max-buffer-size       = "4m"
          }
        }
      } : name => jsonencode(value) }
    }
    error_message = "A container is not exactly as it should be: non-root, read-only, with its probe, its log and nothing else."
  }

  assert {
    condition     = alltrue([for it in aws_ecs_task_definition.role : length(jsondecode(it.container_definitions)) == 1])
    error_message = "A task has more than one container."
  }

  assert {
    condition = {
      for role, it in aws_ecs_task_definition.role : role => {
        for setting in jsondecode(it.container_definitions)[0].environment : setting.name => setting.value
      }
      } == {
      for role in run.topics.roles : role => merge(
        {
          AWS_REGION         = "eu-central-1"
          BOOKING_DATA       = "/data"
          BOOKING_DRAIN      = "25s"
          BOOKING_HTTP       = role == "status" ? "0.0.0.0:8080" : "127.0.0.1:8080"
          BOOKING_LOG_FORMAT = "json"
          BOOKING_LONG_POLL  = "20s"
          BOOKING_STORE      = "dynamodb"
          BOOKING_VISIBILITY = "60s"
        },
        role == "status" ? { BOOKING_HTTP_OPEN = "yes" } : {},
        role == "seats" || role == "receipt" ? { BOOKING_FLIGHTS = "sample" } : {},
        role == "payment" ? { BOOKING_GATEWAY = "simulated" } : {},
        role == "receipt" ? { BOOKING_MAILER = "folder" } : {},
      )
    }
    error_message = "A container has other settings than it should."
  }

  # ECS kills after stopTimeout, Fargate allows 120 s; work in hand may take BOOKING_DRAIN, and a
  # receive that is open is waited for.
  assert {
    condition = alltrue([
      for container in [for it in aws_ecs_task_definition.role : jsondecode(it.container_definitions)[0]] : alltrue([
        for drain_s in [for setting in container.environment : tonumber(trimsuffix(setting.value, "s")) if setting.name == "BOOKING_DRAIN"] :
        container.stopTimeout > drain_s && container.stopTimeout <= 120 && drain_s > var.receive_wait_s
      ])
    ])
    error_message = "stopTimeout is not above the drain limit, or that not above the long poll: ECS would kill work in hand."
  }
}

run "settings_follow_the_variables" {
  command = plan

  variables {
    prefix               = "staging-"
    receive_wait_s       = 5
    visibility_timeout_s = 90
    cpu_architecture     = "X86_64"
    assign_public_ip     = true
    log_retention_days   = 7
    tasks                = { seats = { cpu = 1024, memory = 2048 } }
    environment          = { status = { BOOKING_STUCK_AFTER = "5m" }, seats = { RUST_LOG = "debug" } }
  }

  assert {
    condition = alltrue([
      for role, it in aws_ecs_task_definition.role : length(setsubtract(
        concat(
          ["BOOKING_PREFIX=staging-", "BOOKING_LONG_POLL=5s", "BOOKING_VISIBILITY=90s"],
          role == "status" ? ["BOOKING_STUCK_AFTER=5m"] : [],
          role == "seats" ? ["RUST_LOG=debug"] : [],
        ),
        [for setting in jsondecode(it.container_definitions)[0].environment : "${setting.name}=${setting.value}"],
      )) == 0
    ])
    error_message = "Prefix, long poll, visibility or environment do not reach the containers."
  }

  assert {
    condition = alltrue([
      for role, it in aws_ecs_task_definition.role :
      it.runtime_platform[0].cpu_architecture == "X86_64" && "${it.cpu} ${it.memory}" == (role == "seats" ? "1024 2048" : "256 512")
    ])
    error_message = "cpu_architecture or the size in tasks has no effect."
  }

  assert {
    condition = (
      alltrue([for it in aws_ecs_service.role : startswith(it.name, "staging-booking-") && it.network_configuration[0].assign_public_ip]) &&
      alltrue([for it in aws_cloudwatch_log_group.role : startswith(it.name, "/ecs/staging-booking-") && it.retention_in_days == 7]) &&
      alltrue([for it in aws_security_group.role : startswith(it.name, "staging-booking-")]) &&
      alltrue([for it in aws_iam_role.task : startswith(it.name, "staging-booking-")]) &&
      aws_iam_role.execution[0].name == "staging-booking-execution" && aws_ecs_cluster.own[0].name == "staging-booking"
    )
    error_message = "prefix, assign_public_ip or log_retention_days has no effect."
  }
}

run "status_watches_the_queues_if_it_is_told_to" {
  command = plan
  variables { watch_queues = true }

  assert {
    condition = {
      for role, it in aws_ecs_task_definition.role : role => join(" ", [
        for setting in jsondecode(it.container_definitions)[0].environment : setting.value if setting.name == "BOOKING_WATCH_QUEUES"
      ])
    } == { for role in run.topics.roles : role => role == "status" ? "true" : "" }
    error_message = "With watch_queues, not exactly status looks at the queues."
  }
}

run "the_longest_prefix_fits_every_name" {
  command = plan
  variables { prefix = "a-prefix-that-is-thirty-two-cha-" }

  assert {
    condition     = alltrue([for it in concat(values(aws_iam_role.task), aws_iam_role.execution) : length(it.name) <= 64])
    error_message = "The longest prefix leaves no room for the names of IAM roles (AWS allows 64)."
  }

  assert {
    condition     = length(aws_iam_policy.operator.policy) <= 6144
    error_message = "The operator policy is longer than the 6144 characters AWS takes."
  }
}

run "nobody_gets_in_but_to_status_and_by_name" {
  command = plan

  variables {
    status_ingress   = ["10.0.0.0/16", "sg-0a1b2c3d"]
    target_group_arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/booking/0123456789abcdef"
  }

  assert {
    condition = toset([
      for it in aws_vpc_security_group_ingress_rule.status :
      "${it.ip_protocol} ${it.from_port}-${it.to_port} ${coalesce(it.cidr_ipv4, it.referenced_security_group_id)}"
    ]) == toset(["tcp 8080-8080 10.0.0.0/16", "tcp 8080-8080 sg-0a1b2c3d"])
    error_message = "Others than those of status_ingress get in, or through another port than 8080."
  }

  assert {
    condition = alltrue([
      for it in aws_vpc_security_group_egress_rule.https :
      it.ip_protocol == "tcp" && it.from_port == 443 && it.to_port == 443 && it.cidr_ipv4 == "0.0.0.0/0"
    ]) && length(aws_vpc_security_group_egress_rule.https) == length(run.topics.roles)
    error_message = "A service goes out other than over HTTPS."
  }

  assert {
    condition = alltrue([
      for role, it in aws_ecs_service.role : role != "status" ? length(it.load_balancer) == 0 : alltrue([
        for balancer in it.load_balancer : balancer.target_group_arn == var.target_group_arn &&
        balancer.container_name == "status" && balancer.container_port == 8080
      ]) && length(it.load_balancer) == 1 && it.health_check_grace_period_seconds == 60
    ])
    error_message = "Not exactly status joins the target group."
  }
}

run "nobody_gets_in_by_default" {
  command = plan

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.status) == 0
    error_message = "Status lets somebody in whom nobody named."
  }
}

run "a_given_cluster" {
  command = plan
  variables { cluster_arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/shared" }

  assert {
    condition = length(aws_ecs_cluster.own) == 0 && output.cluster_arn == var.cluster_arn && alltrue([
      for it in aws_ecs_service.role : it.cluster == var.cluster_arn
      ]) && alltrue([
      for role, it in aws_appautoscaling_target.role : it.resource_id == "service/shared/booking-${role}"
    ])
    error_message = "A given cluster is not used, or one is created beside it."
  }
}

# Ids are known only after an apply, here of the mocked provider.
run "everything_belongs_to_its_own_role" {
  command = apply
  variables { status_ingress = ["10.0.0.0/16", "sg-0a1b2c3d"] }

  assert {
    condition = alltrue([
      for role, it in aws_ecs_service.role :
      it.task_definition == aws_ecs_task_definition.role[role].arn &&
      it.network_configuration[0].security_groups == toset([aws_security_group.role[role].id])
    ]) && length(distinct(values(aws_security_group.role)[*].id)) == length(run.topics.roles)
    error_message = "A service runs the tasks, or is in the security group, of another role."
  }

  assert {
    condition = alltrue([
      for it in aws_vpc_security_group_ingress_rule.status : it.security_group_id == aws_security_group.role["status"].id
    ]) && length(aws_vpc_security_group_ingress_rule.status) == 2
    error_message = "Somebody gets in to another service than status."
  }

  assert {
    condition = alltrue([
      for role, it in aws_vpc_security_group_egress_rule.https : it.security_group_id == aws_security_group.role[role].id
    ])
    error_message = "A service cannot get out, or through the rule of another."
  }
}
