# The security groups. Services never call each other: each one connects to AWS over
# HTTPS, and payment also to Stripe. The rule allows every address on port 443.

resource "aws_security_group" "role" {
  for_each = local.running

  name        = "${var.prefix}booking-${each.key}"
  description = "The tasks of the booking service ${each.key}"
  vpc_id      = var.vpc_id

  # A new name makes a new group. The tasks must have it before the old one can be deleted.
  lifecycle {
    create_before_destroy = true
  }
}

# The DNS resolver of the VPC and the credentials of the task need no rule.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = local.running

  security_group_id = aws_security_group.role[each.key].id
  description       = "AWS and Stripe, over HTTPS"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "status" {
  for_each = length(local.running) == 0 ? toset([]) : toset(var.status_ingress)

  security_group_id            = aws_security_group.role[local.answering].id
  description                  = "Questions about bookings"
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
  cidr_ipv4                    = startswith(each.value, "sg-") ? null : each.value
  referenced_security_group_id = startswith(each.value, "sg-") ? each.value : null
}
