// Package console shows an exercise room (drills/room) in browsers: the
// facilitator's screen, the players', the observers' and the projector's.
//
// A page is a person's room.View in a template; what a person does is a form that
// becomes a room.Act. Pages work without scripts: a form is posted and the answer
// leads back to the page. With scripts the parts of a page that change are sent as
// they change (GET /events), and a form that somebody is typing in is left alone.
//
// The console promises that nobody is shown another person's view, that a form is
// obeyed only if a page of that person's own sent it, and that what people type is
// shown as text. It lets nobody in by itself: codes, seats and roles are the
// room's. Nothing of a page comes from another host.
//
// Start at console.go; the addresses are in Handler, the acts in acts.go, what a
// template is given in page.go.
package console
