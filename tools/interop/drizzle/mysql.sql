CREATE TABLE `session` (
	`id` varchar(255) NOT NULL,
	`shop` text NOT NULL,
	`state` text NOT NULL,
	`isOnline` boolean NOT NULL DEFAULT false,
	`scope` text,
	`expires` timestamp,
	`accessToken` text NOT NULL,
	`userId` bigint,
	`firstName` text,
	`lastName` text,
	`email` text,
	`accountOwner` boolean,
	`locale` text,
	`collaborator` boolean,
	`emailVerified` boolean,
	`refreshToken` text,
	`refreshTokenExpires` timestamp,
	CONSTRAINT `session_id` PRIMARY KEY(`id`)
);

CREATE TABLE `session_leases` (
	`name` varchar(255) NOT NULL,
	`holder` varchar(255) NOT NULL,
	`expires` bigint NOT NULL,
	CONSTRAINT `session_leases_name` PRIMARY KEY(`name`)
);
