# Reads topics/ once more, in another way than topics.tf, so that the tests can compare the results.

locals {
  folder = "${path.module}/../../../topics"
  files  = [for file in fileset(local.folder, "*.json") : jsondecode(file("${local.folder}/${file}"))]

  # topic => its subscribers: a role or, if there is no role, a guest
  listeners = { for it in local.files : it.topic => [for it in it.subscribers : lookup(it, "role", lookup(it, "guest", ""))] }
}

output "topics" {
  value = toset(local.files[*].topic)
}

output "roles" {
  value = toset(flatten([for it in local.files : [for it in it.subscribers : it.role if can(it.role)]]))
}

# The roles, and services of other teams.
output "listeners" {
  value = toset(flatten(values(local.listeners)))
}

# Every pair that must be a subscription, as "listener/topic".
output "subscriptions" {
  value = toset(flatten([for topic, listeners in local.listeners : formatlist("%s/%s", listeners, topic)]))
}

# listener => the topics that it subscribes to
output "subscribes" {
  value = transpose(local.listeners)
}

# topic => the roles and guests that subscribe to it
output "subscribes_to" {
  value = local.listeners
}

# topic => the role or client that publishes it
output "publishers" {
  value = { for it in local.files : it.topic => it.publisher }
}

# role or client => the topics that it publishes; a role that publishes nothing is missing
output "publishes" {
  value = transpose({ for it in local.files : it.topic => [it.publisher] })
}

# Every pair of two roles of which the second hears what the first publishes, as "publisher/listener".
output "tells" {
  value = toset(flatten([
    for it in local.files : [
      for listener in it.subscribers : "${it.publisher}/${listener.role}"
      if it.publisher != "client" && lookup(listener, "role", it.publisher) != it.publisher
    ]
  ]))
}
