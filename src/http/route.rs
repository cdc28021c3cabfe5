//! The route table: path, requirement and handler.

use rouille::Response;

use super::api;
use super::console::{self, ActHandler, PageHandler};
use super::context::RequestContext;
use super::host;
use super::problem::Problem;
use super::service::{calendar, device, health, introspect, metadata, metrics, verify};
use crate::model::caller::Caller;
use crate::model::permission::BuiltinPermission;
use crate::transport::Lane;

/// A handler without a caller.
pub type OpenHandler = fn(&RequestContext<'_>) -> Result<Response, Problem>;
/// A handler with a caller.
pub type CallerHandler = fn(&RequestContext<'_>, &Caller) -> Result<Response, Problem>;

/// The requirement of a route, checked before its handler runs.
#[derive(Clone, Copy)]
pub enum Needs {
    /// None, or one that the handler checks itself (a code, a secret of any kind).
    Nothing(OpenHandler),
    /// An API key or a token, with any permissions.
    Bearer(CallerHandler),
    /// An API key or a token with this permission.
    Permission(BuiltinPermission, CallerHandler),
    /// The operator: the control socket or a command in process. For all others the route does not exist.
    Operator(CallerHandler),
    /// A host credential.
    Host(CallerHandler),
    /// A session; without one, sign-in comes first.
    Page(PageHandler),
    /// A session and a form of the console.
    Form(ActHandler),
}

/// Quick for one login; possibly long for the keys of all users.
pub const AUTHORIZED_KEYS: &str = "/api/v1/hosts/self/authorized-keys";

/// Every method that the transport lets through, as proxies forward them.
pub const ANY: &str = "*";

/// One route.
pub struct Route {
    pub method: &'static str,
    /// `{…}` stands for one segment, or for its start: `{id}.pub`.
    pub path: &'static str,
    pub needs: Needs,
    pub lane: Lane,
}

const fn open(method: &'static str, path: &'static str, handler: OpenHandler) -> Route {
    Route {
        method,
        path,
        needs: Needs::Nothing(handler),
        lane: Lane::Work,
    }
}

const fn quick(method: &'static str, path: &'static str, handler: OpenHandler) -> Route {
    Route {
        method,
        path,
        needs: Needs::Nothing(handler),
        lane: Lane::Quick,
    }
}

const fn operator(method: &'static str, path: &'static str, handler: CallerHandler) -> Route {
    Route {
        method,
        path,
        needs: Needs::Operator(handler),
        lane: Lane::Work,
    }
}

const fn needs(
    method: &'static str,
    path: &'static str,
    permission: BuiltinPermission,
    handler: CallerHandler,
) -> Route {
    Route {
        method,
        path,
        needs: Needs::Permission(permission, handler),
        lane: Lane::Work,
    }
}

const fn of_host(
    method: &'static str,
    path: &'static str,
    handler: CallerHandler,
    lane: Lane,
) -> Route {
    Route {
        method,
        path,
        needs: Needs::Host(handler),
        lane,
    }
}

const fn page(path: &'static str, handler: PageHandler) -> Route {
    Route {
        method: "GET",
        path,
        needs: Needs::Page(handler),
        lane: Lane::Work,
    }
}

/// A form. With a confirmed password it changes to the lane of password hashing ([`super::respond::admit`]); no other
/// request may wait behind a storm of sign-ins.
const fn form(path: &'static str, handler: ActHandler) -> Route {
    Route {
        method: "POST",
        path,
        needs: Needs::Form(handler),
        lane: Lane::Work,
    }
}

/// The same on the lane of password hashing.
const fn hashing(route: Route) -> Route {
    Route {
        lane: Lane::Hash,
        ..route
    }
}

/// Every route. Of two that match, the first answers. `/verify` is first because it is the most frequent.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    quick(ANY, "/verify", verify::verify),
    Route { lane: Lane::Quick, ..needs("POST", "/oauth/introspect", BuiltinPermission::Introspect, introspect::introspect) },
    open("POST", "/oauth/revoke", introspect::revoke),
    open("POST", "/oauth/device_authorization", device::authorize),
    open("POST", "/oauth/token", device::token),
    quick("GET", "/healthz", health::healthz),
    open("GET", "/metrics", metrics::metrics),
    quick("GET", "/openapi.json", metadata::openapi),
    quick("GET", "/.well-known/oauth-authorization-server", metadata::authorization_server),
    Route { method: "GET", path: "/api/v1/me", needs: Needs::Bearer(api::account::show_account), lane: Lane::Quick },
    needs("PATCH", "/api/v1/me", BuiltinPermission::AccountWrite, api::account::edit_account),
    needs("GET", "/api/v1/me/notices", BuiltinPermission::AccountRead, api::notice::show_preferences),
    needs("PATCH", "/api/v1/me/notices", BuiltinPermission::AccountWrite, api::notice::edit_preferences),
    needs("POST", "/api/v1/me/notices/{id}/acknowledge", BuiltinPermission::AccountWrite, api::account::acknowledge_notice),
    hashing(needs("POST", "/api/v1/me/password", BuiltinPermission::AccountWrite, api::account::change_password)),
    hashing(open("POST", "/api/v1/setup", api::account::set_up)),
    hashing(open("POST", "/api/v1/invitation", api::account::accept_invitation)),
    hashing(open("POST", "/api/v1/password-reset", api::account::reset_password)),
    needs("GET", "/api/v1/api-keys", BuiltinPermission::ApiKeysRead, api::api_key::list_own),
    needs("POST", "/api/v1/api-keys", BuiltinPermission::ApiKeysWrite, api::api_key::create_own),
    needs("GET", "/api/v1/api-keys/{id}", BuiltinPermission::ApiKeysRead, api::api_key::show_own),
    needs("PATCH", "/api/v1/api-keys/{id}", BuiltinPermission::ApiKeysWrite, api::api_key::edit_own),
    needs("DELETE", "/api/v1/api-keys/{id}", BuiltinPermission::ApiKeysWrite, api::api_key::delete_own),
    needs("POST", "/api/v1/api-keys/{id}/rotate", BuiltinPermission::ApiKeysWrite, api::api_key::rotate_own),
    needs("GET", "/api/v1/api-keys/{id}/usage", BuiltinPermission::ApiKeysRead, api::api_key::usage_own),
    needs("GET", "/api/v1/api-keys/{id}/explain", BuiltinPermission::ApiKeysRead, api::explain::own_api_key),
    needs("GET", "/api/v1/tokens", BuiltinPermission::TokensRead, api::token::list_own),
    needs("POST", "/api/v1/tokens", BuiltinPermission::TokensWrite, api::token::create_own),
    needs("GET", "/api/v1/tokens/{id}", BuiltinPermission::TokensRead, api::token::show_own),
    needs("DELETE", "/api/v1/tokens/{id}", BuiltinPermission::TokensWrite, api::token::delete_own),
    needs("GET", "/api/v1/tokens/{id}/usage", BuiltinPermission::TokensRead, api::token::usage_own),
    needs("GET", "/api/v1/tokens/{id}/explain", BuiltinPermission::TokensRead, api::explain::own_token),
    needs("GET", "/api/v1/sessions", BuiltinPermission::SessionsRead, api::session::list_own),
    needs("DELETE", "/api/v1/sessions", BuiltinPermission::SessionsWrite, api::session::delete_all),
    needs("DELETE", "/api/v1/sessions/{id}", BuiltinPermission::SessionsWrite, api::session::delete_own),
    needs("GET", "/api/v1/ssh-keys", BuiltinPermission::SshKeysRead, api::ssh_key::list_own),
    needs("POST", "/api/v1/ssh-keys", BuiltinPermission::SshKeysWrite, api::ssh_key::add_ssh_key),
    needs("POST", "/api/v1/ssh-keys/import", BuiltinPermission::SshKeysWrite, api::ssh_key::import_own),
    needs("GET", "/api/v1/ssh-keys/logins", BuiltinPermission::SshKeysRead, api::ssh_key::list_logins),
    needs("GET", "/api/v1/ssh-keys/{id}.pub", BuiltinPermission::SshKeysRead, api::ssh_key::show_text),
    needs("GET", "/api/v1/ssh-keys/{id}", BuiltinPermission::SshKeysRead, api::ssh_key::show_ssh_key),
    needs("PATCH", "/api/v1/ssh-keys/{id}", BuiltinPermission::SshKeysWrite, api::ssh_key::edit_ssh_key),
    needs("DELETE", "/api/v1/ssh-keys/{id}", BuiltinPermission::SshKeysWrite, api::ssh_key::delete_own),
    open("GET", "/api/v1/events", api::event::list_events),
    needs("GET", "/api/v1/users", BuiltinPermission::UsersRead, api::user::list_users),
    hashing(needs("POST", "/api/v1/users", BuiltinPermission::UsersWrite, api::user::create_user)),
    needs("GET", "/api/v1/users/{username}", BuiltinPermission::UsersRead, api::user::show_user),
    needs("PATCH", "/api/v1/users/{username}", BuiltinPermission::UsersWrite, api::user::edit_user),
    needs("DELETE", "/api/v1/users/{username}", BuiltinPermission::UsersWrite, api::user::delete_user),
    needs("POST", "/api/v1/users/{username}/reset-password", BuiltinPermission::UsersWrite, api::user::reset_password),
    needs("DELETE", "/api/v1/users/{username}/second-factor", BuiltinPermission::UsersWrite, api::user::reset_second_factor),
    needs("GET", "/api/v1/users/{username}/offboard", BuiltinPermission::UsersRead, api::user::offboard_preview),
    needs("POST", "/api/v1/users/{username}/offboard", BuiltinPermission::UsersWrite, api::user::offboard_user),
    operator("POST", "/api/v1/users/{username}/token", api::user::create_token),
    operator("POST", "/api/v1/backups", api::backup::record),
    operator("POST", "/api/v1/audit-archives", api::backup::archive_events),
    needs("GET", "/api/v1/users/{username}/api-keys", BuiltinPermission::UsersRead, api::user::list_api_keys),
    needs("GET", "/api/v1/users/{username}/api-keys/{id}", BuiltinPermission::UsersRead, api::user::show_api_key),
    needs("PATCH", "/api/v1/users/{username}/api-keys/{id}", BuiltinPermission::UsersWrite, api::user::set_api_key_disabled),
    needs("DELETE", "/api/v1/users/{username}/api-keys/{id}", BuiltinPermission::UsersWrite, api::user::delete_api_key),
    needs("GET", "/api/v1/users/{username}/api-keys/{id}/usage", BuiltinPermission::UsersRead, api::user::api_key_usage),
    needs("GET", "/api/v1/users/{username}/api-keys/{id}/explain", BuiltinPermission::UsersRead, api::explain::users_api_key),
    needs("GET", "/api/v1/users/{username}/tokens", BuiltinPermission::UsersRead, api::user::list_tokens),
    needs("GET", "/api/v1/users/{username}/tokens/{id}", BuiltinPermission::UsersRead, api::user::show_token),
    needs("DELETE", "/api/v1/users/{username}/tokens/{id}", BuiltinPermission::UsersWrite, api::user::delete_token),
    needs("GET", "/api/v1/users/{username}/tokens/{id}/usage", BuiltinPermission::UsersRead, api::user::token_usage),
    needs("GET", "/api/v1/users/{username}/tokens/{id}/explain", BuiltinPermission::UsersRead, api::explain::users_token),
    needs("GET", "/api/v1/users/{username}/sessions", BuiltinPermission::UsersRead, api::user::list_sessions),
    needs("GET", "/api/v1/users/{username}/sessions/{id}", BuiltinPermission::UsersRead, api::user::show_session),
    needs("DELETE", "/api/v1/users/{username}/sessions/{id}", BuiltinPermission::UsersWrite, api::user::delete_session),
    needs("GET", "/api/v1/users/{username}/ssh-keys", BuiltinPermission::UsersRead, api::ssh_key::list_of_user),
    needs("POST", "/api/v1/users/{username}/ssh-keys/import", BuiltinPermission::UsersWrite, api::ssh_key::import_of_user),
    needs("GET", "/api/v1/users/{username}/ssh-keys/{id}", BuiltinPermission::UsersRead, api::ssh_key::show_of_user),
    needs("DELETE", "/api/v1/users/{username}/ssh-keys/{id}", BuiltinPermission::UsersWrite, api::ssh_key::delete_of_user),
    needs("GET", "/api/v1/policy", BuiltinPermission::PolicyRead, api::policy::show_policy),
    needs("PATCH", "/api/v1/policy", BuiltinPermission::PolicyWrite, api::policy::edit_policy),
    needs("POST", "/api/v1/policy/preview", BuiltinPermission::PolicyRead, api::policy::preview),
    needs("GET", "/api/v1/notices/channels", BuiltinPermission::PolicyRead, api::notice::list_channels),
    needs("POST", "/api/v1/notices/channels", BuiltinPermission::PolicyWrite, api::notice::create_channel),
    needs("GET", "/api/v1/notices/channels/{id}", BuiltinPermission::PolicyRead, api::notice::show_channel),
    needs("PATCH", "/api/v1/notices/channels/{id}", BuiltinPermission::PolicyWrite, api::notice::edit_channel),
    needs("DELETE", "/api/v1/notices/channels/{id}", BuiltinPermission::PolicyWrite, api::notice::delete_channel),
    needs("POST", "/api/v1/notices/channels/{id}/test", BuiltinPermission::PolicyWrite, api::notice::test_channel),
    needs("GET", "/api/v1/notices/deliveries", BuiltinPermission::PolicyRead, api::notice::list_deliveries),
    needs("GET", "/api/v1/diagnostics", BuiltinPermission::PolicyRead, api::diagnostics::show_diagnostics),
    needs("GET", "/api/v1/credentials", BuiltinPermission::UsersRead, api::inventory::list_all),
    needs("POST", "/api/v1/sweep", BuiltinPermission::PolicyWrite, api::policy::sweep),
    needs("GET", "/api/v1/groups", BuiltinPermission::UsersRead, api::group::list_groups),
    needs("POST", "/api/v1/groups", BuiltinPermission::UsersWrite, api::group::create_group),
    needs("DELETE", "/api/v1/groups/{name}", BuiltinPermission::UsersWrite, api::group::delete_group),
    needs("PUT", "/api/v1/groups/{name}/members/{username}", BuiltinPermission::UsersWrite, api::group::add_member),
    needs("DELETE", "/api/v1/groups/{name}/members/{username}", BuiltinPermission::UsersWrite, api::group::remove_member),
    open("POST", "/api/v1/hosts/enroll", host::enroll),
    of_host("GET", AUTHORIZED_KEYS, host::authorized_keys, Lane::Quick),
    of_host("POST", "/api/v1/hosts/self/rotate", host::rotate, Lane::Work),
    of_host("POST", "/api/v1/hosts/self/logins", host::report_logins, Lane::Work),
    needs("GET", "/api/v1/hosts/enrollment-codes", BuiltinPermission::HostsRead, api::host::list_codes),
    needs("POST", "/api/v1/hosts/enrollment-codes", BuiltinPermission::HostsWrite, api::host::create_code),
    needs("DELETE", "/api/v1/hosts/enrollment-codes/{id}", BuiltinPermission::HostsWrite, api::host::delete_code),
    needs("GET", "/api/v1/hosts", BuiltinPermission::HostsRead, api::host::list_hosts),
    needs("GET", "/api/v1/hosts/{id}", BuiltinPermission::HostsRead, api::host::show_host),
    needs("PATCH", "/api/v1/hosts/{id}", BuiltinPermission::HostsWrite, api::host::edit_host),
    needs("DELETE", "/api/v1/hosts/{id}", BuiltinPermission::HostsWrite, api::host::delete_host),
    needs("GET", "/api/v1/services", BuiltinPermission::ServicesRead, api::service::list_services),
    needs("POST", "/api/v1/services", BuiltinPermission::ServicesWrite, api::service::create_service),
    needs("GET", "/api/v1/services/{name}", BuiltinPermission::ServicesRead, api::service::show_service),
    needs("PATCH", "/api/v1/services/{name}", BuiltinPermission::ServicesWrite, api::service::edit_service),
    needs("DELETE", "/api/v1/services/{name}", BuiltinPermission::ServicesWrite, api::service::delete_service),
    needs("GET", "/api/v1/services/{name}/api-keys", BuiltinPermission::ServicesRead, api::service::list_api_keys),
    needs("POST", "/api/v1/services/{name}/api-keys", BuiltinPermission::ServicesWrite, api::service::create_api_key),
    needs("GET", "/api/v1/services/{name}/api-keys/{id}", BuiltinPermission::ServicesRead, api::service::show_api_key),
    needs("PATCH", "/api/v1/services/{name}/api-keys/{id}", BuiltinPermission::ServicesWrite, api::service::edit_api_key),
    needs("DELETE", "/api/v1/services/{name}/api-keys/{id}", BuiltinPermission::ServicesWrite, api::service::delete_api_key),
    needs("POST", "/api/v1/services/{name}/api-keys/{id}/rotate", BuiltinPermission::ServicesWrite, api::service::rotate_api_key),
    needs("GET", "/api/v1/services/{name}/api-keys/{id}/usage", BuiltinPermission::ServicesRead, api::service::api_key_usage),
    needs("GET", "/api/v1/services/{name}/api-keys/{id}/explain", BuiltinPermission::ServicesRead, api::explain::services_api_key),
    open("GET", "/", console::first),
    quick("GET", "/-/{file}", console::statics::file),
    open("GET", "/calendar/{id}.ics", calendar::calendar),
    open("GET", "/help", console::help),
    open("GET", "/api", console::reference::read),
    open("GET", "/login", console::sign_in::show_password_form),
    hashing(open("POST", "/login", console::sign_in::sign_in)),
    open("GET", "/login/code", console::second_step::show_step),
    open("POST", "/login/code", console::second_step::send_code),
    open("GET", "/login/enroll", console::second_step::show_step),
    open("POST", "/login/enroll", console::second_step::send_enrollment),
    open("POST", "/login/passkey", console::second_step::send_passkey),
    open("GET", "/signed-out", console::sign_in::signed_out),
    form("/logout", console::sign_in::sign_out),
    open("GET", "/setup", console::sign_in::show_set_up),
    hashing(open("POST", "/setup", console::sign_in::send_set_up)),
    open("GET", "/invitation", console::sign_in::show_invitation),
    hashing(open("POST", "/invitation", console::sign_in::send_invitation)),
    open("GET", "/reset", console::sign_in::show_reset),
    hashing(open("POST", "/reset", console::sign_in::send_reset)),
    page("/device", console::device::enter),
    form("/device", console::device::look_up),
    form("/device/approve", console::device::approve),
    form("/device/refuse", console::device::deny),
    page("/account", console::account::account),
    form("/account/name", console::account::rename),
    hashing(form("/account/password", console::account::change_password)),
    page("/account/notices", console::notice_preference::show_form),
    form("/account/notices", console::notice_preference::save),
    form("/account/notices/email", console::notice_preference::change_email),
    form("/account/notices/email/remove", console::notice_preference::remove_email),
    open("GET", "/account/notices/confirm", console::notice_preference::show_confirmation),
    form("/account/notices/confirm", console::notice_preference::confirm_email),
    form("/account/notices/calendar", console::notice_preference::create_calendar),
    form("/account/notices/calendar/delete", console::notice_preference::delete_calendar),
    form("/account/notices/acknowledge", console::account::acknowledge_notices),
    form("/account/notices/{id}/acknowledge", console::account::acknowledge_notice),
    page("/account/second-factor", console::second_factor::show_factors),
    form("/account/second-factor/totp/new", console::second_factor::new_totp),
    form("/account/second-factor/totp", console::second_factor::add_totp),
    form("/account/second-factor/totp/remove", console::second_factor::remove_totp),
    form("/account/second-factor/recovery-codes", console::second_factor::create_recovery_codes),
    form("/account/second-factor/passkeys/new", console::second_factor::new_passkey),
    form("/account/second-factor/passkeys", console::second_factor::add_passkey),
    page("/account/second-factor/passkeys/{id}/edit", console::second_factor::show_rename_form),
    form("/account/second-factor/passkeys/{id}/edit", console::second_factor::rename_passkey),
    form("/account/second-factor/passkeys/{id}/delete", console::second_factor::delete_passkey),
    form("/account/theme", console::account::choose_theme),
    page("/api-keys", console::api_key::list_api_keys),
    page("/api-keys/new", console::api_key::show_new_api_key_form),
    form("/api-keys/new", console::api_key::create_api_key),
    form("/api-keys/delete", console::api_key::delete_picked),
    page("/api-keys/{id}", console::api_key::show_one),
    page("/api-keys/{id}/edit", console::api_key::show_edit_form),
    form("/api-keys/{id}/edit", console::api_key::edit_api_key),
    form("/api-keys/{id}/disable", console::api_key::disable_api_key),
    form("/api-keys/{id}/enable", console::api_key::enable_api_key),
    page("/api-keys/{id}/rotate", console::api_key::show_rotate_form),
    form("/api-keys/{id}/rotate", console::api_key::rotate_api_key),
    page("/api-keys/{id}/delete", console::api_key::show_delete_form),
    form("/api-keys/{id}/delete", console::api_key::delete_api_key),
    page("/tokens", console::token::list_tokens),
    page("/tokens/new", console::token::show_new_token_form),
    form("/tokens/new", console::token::create_token),
    form("/tokens/delete", console::token::delete_picked),
    page("/tokens/{id}/delete", console::token::show_delete_form),
    form("/tokens/{id}/delete", console::token::delete_token),
    page("/ssh-keys", console::ssh_key::list_ssh_keys),
    page("/ssh-keys/new", console::ssh_key::show_new_ssh_key_form),
    form("/ssh-keys/new", console::ssh_key::add_ssh_key),
    form("/ssh-keys/delete", console::ssh_key::delete_picked),
    open("GET", "/ssh-keys/{id}.pub", api::ssh_key::show_text_to_anybody),
    page("/ssh-keys/{id}", console::ssh_key::show_one),
    page("/ssh-keys/{id}/edit", console::ssh_key::show_edit_form),
    form("/ssh-keys/{id}/edit", console::ssh_key::edit_ssh_key),
    page("/ssh-keys/{id}/delete", console::ssh_key::show_delete_form),
    form("/ssh-keys/{id}/delete", console::ssh_key::delete_ssh_key),
    page("/sessions", console::session::list_sessions),
    form("/sessions/delete", console::session::delete_session),
    form("/sessions/delete-others", console::session::delete_others),
    page("/events", console::event::list_own_events),
    page("/events/export", console::event::export_own),
    page("/admin/events", console::event::list_all_events),
    page("/admin/events/export", console::event::export_all),
    page("/admin/users", console::user::list_users),
    page("/admin/new-user", console::user::show_new_user_form),
    hashing(form("/admin/new-user", console::user::create_user)),
    page("/admin/users/{username}", console::user::show_one),
    form("/admin/users/{username}/edit", console::user::edit_user),
    form("/admin/users/{username}/disable", console::user::disable_user),
    form("/admin/users/{username}/enable", console::user::enable_user),
    form("/admin/users/{username}/reset-password", console::user::reset_password),
    page("/admin/users/{username}/reset-second-factor", console::user::show_reset_second_factor_form),
    form("/admin/users/{username}/reset-second-factor", console::user::reset_second_factor),
    page("/admin/users/{username}/offboard", console::user::show_offboard_form),
    form("/admin/users/{username}/offboard", console::user::offboard_user),
    page("/admin/users/{username}/delete", console::user::show_delete_form),
    form("/admin/users/{username}/delete", console::user::delete_user),
    page("/admin/users/{username}/api-keys/{id}", console::api_key::show_one),
    form("/admin/users/{username}/api-keys/{id}/disable", console::api_key::disable_api_key),
    form("/admin/users/{username}/api-keys/{id}/enable", console::api_key::enable_api_key),
    page("/admin/users/{username}/api-keys/{id}/delete", console::api_key::show_delete_form),
    form("/admin/users/{username}/api-keys/{id}/delete", console::api_key::delete_api_key),
    form("/admin/users/{username}/tokens/{id}/delete", console::user::delete_token),
    form("/admin/users/{username}/sessions/{id}/delete", console::user::delete_session),
    page("/admin/users/{username}/ssh-keys/{id}", console::user::show_ssh_key),
    form("/admin/users/{username}/ssh-keys/{id}/delete", console::user::delete_ssh_key),
    form("/admin/users/{username}/groups", console::user::change_groups),
    page("/admin/policy", console::policy::show_form),
    form("/admin/policy", console::policy::save),
    page("/admin/inventory", console::inventory::list_inventory),
    form("/admin/inventory/delete", console::inventory::delete_inventory_items),
    page("/admin/notices", console::notice_channel::list_notice_channels),
    page("/admin/notices/new", console::notice_channel::show_new_notice_channel_form),
    form("/admin/notices/new", console::notice_channel::create_notice_channel),
    page("/admin/notices/{id}", console::notice_channel::show_edit_form),
    form("/admin/notices/{id}", console::notice_channel::edit_notice_channel),
    form("/admin/notices/{id}/test", console::notice_channel::test),
    page("/admin/notices/{id}/delete", console::notice_channel::show_delete_form),
    form("/admin/notices/{id}/delete", console::notice_channel::delete_notice_channel),
    page("/admin/diagnostics", console::diagnostics::show_diagnostics),
    page("/admin/groups", console::group::list_groups),
    form("/admin/groups", console::group::create_group),
    page("/admin/groups/{name}", console::group::show_one),
    page("/admin/groups/{name}/members/add", console::group::show_add_members_form),
    form("/admin/groups/{name}/members/add", console::group::add_members),
    form("/admin/groups/{name}/members/remove", console::group::remove_members),
    page("/admin/groups/{name}/delete", console::group::show_delete_form),
    form("/admin/groups/{name}/delete", console::group::delete_group),
    page("/admin/hosts", console::host::list_hosts),
    page("/admin/hosts/enroll", console::host::new_code),
    form("/admin/hosts/enroll", console::host::create_code),
    form("/admin/hosts/codes/{id}/delete", console::host::delete_code),
    page("/admin/hosts/{id}", console::host::show_one),
    form("/admin/hosts/{id}", console::host::edit_host),
    page("/admin/hosts/{id}/delete", console::host::show_delete_form),
    form("/admin/hosts/{id}/delete", console::host::delete_host),
    page("/admin/services", console::service::list_services),
    page("/admin/new-service", console::service::show_new_service_form),
    form("/admin/new-service", console::service::create_service),
    page("/admin/services/{name}", console::service::show_one),
    page("/admin/services/{name}/edit", console::service::show_edit_form),
    form("/admin/services/{name}/edit", console::service::edit_service),
    page("/admin/services/{name}/delete", console::service::show_delete_form),
    form("/admin/services/{name}/delete", console::service::delete_service),
    page("/admin/services/{name}/api-keys", console::api_key::list_api_keys),
    page("/admin/services/{name}/api-keys/new", console::api_key::show_new_api_key_form),
    form("/admin/services/{name}/api-keys/new", console::api_key::create_api_key),
    form("/admin/services/{name}/api-keys/delete", console::api_key::delete_picked),
    page("/admin/services/{name}/api-keys/{id}", console::api_key::show_one),
    page("/admin/services/{name}/api-keys/{id}/edit", console::api_key::show_edit_form),
    form("/admin/services/{name}/api-keys/{id}/edit", console::api_key::edit_api_key),
    form("/admin/services/{name}/api-keys/{id}/disable", console::api_key::disable_api_key),
    form("/admin/services/{name}/api-keys/{id}/enable", console::api_key::enable_api_key),
    page("/admin/services/{name}/api-keys/{id}/rotate", console::api_key::show_rotate_form),
    form("/admin/services/{name}/api-keys/{id}/rotate", console::api_key::rotate_api_key),
    page("/admin/services/{name}/api-keys/{id}/delete", console::api_key::show_delete_form),
    form("/admin/services/{name}/api-keys/{id}/delete", console::api_key::delete_api_key),
];
